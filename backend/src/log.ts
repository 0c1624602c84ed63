/** What the backend needs of a logger. Fields are codes, ids and counts: never bodies or tokens. */
type Write = (fields: Record<string, unknown>, message: string) => void;

export interface Log {
  info: Write;
  warn: Write;
  error: Write;
}
