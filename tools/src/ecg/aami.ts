/**
 * Beat classes of ANSI/AAMI EC57, as used with the MIT-BIH database by de Chazal et al., "Automatic
 * classification of heartbeats using ECG morphology and heartbeat interval features", IEEE TBME
 * 51(7), 2004, Table I.
 */

/** Class order of every model here: index i of the logits is class i. */
export const AAMI_CLASSES = ['N', 'S', 'V', 'F', 'Q'] as const;
export type AamiClass = (typeof AAMI_CLASSES)[number];

export const CLASS_NAMES: Record<AamiClass, string> = {
  N: 'normal',
  S: 'supraventricular premature',
  V: 'ventricular premature',
  F: 'fusion',
  Q: 'unclassifiable',
};

const SYMBOLS: Record<AamiClass, string> = { N: 'NLRej', S: 'AaJS', V: 'VE', F: 'F', Q: '/fQ' };

const CLASS_OF_SYMBOL = new Map(
  AAMI_CLASSES.flatMap((name) => [...SYMBOLS[name]].map((symbol) => [symbol, name] as const)),
);

/** Symbol of a paced beat: records that contain one are left out of training and measuring. */
export const PACED_SYMBOL = '/';

/** Class of an annotation symbol, or undefined when the annotation is not a classified beat. */
export const classOf = (symbol: string): AamiClass | undefined => CLASS_OF_SYMBOL.get(symbol);

/** Whether a beat of this class is to be reported: every class but normal. */
export const isAnomaly = (label: AamiClass): boolean => label !== 'N';
