import { readKnownAnswers } from './ascon-known-answers.ts';
import { nodeSdk } from './suite/node-sdk.ts';
import type { SuiteData } from './suite/sdk.ts';
import { segment } from './suite/suite.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** What the suite is given on every engine: NIST's answers, if they are at hand, and Node's windows. */
export function suiteData(): SuiteData {
  const answers = (readKnownAnswers() ?? []).map((answer) => ({
    key: hex(answer.key),
    nonce: hex(answer.nonce),
    associatedData: hex(answer.associatedData),
    plaintext: hex(answer.plaintext),
    sealed: hex(answer.sealed),
  }));
  return { answers, windows: segment(nodeSdk) };
}
