/** What an ECG source gives, whether it was recorded or synthesised. */

export interface Lead {
  description: string;
  /** ADC units. */
  samples: Int16Array;
  /** ADC units per `units`. */
  gain: number;
  /** ADC value of 0 `units`. */
  baseline: number;
  units: string;
}

export interface EcgRecord {
  name: string;
  rateHz: number;
  leads: Lead[];
  comments: string[];
}

export interface Annotation {
  /** Index into the samples of every lead. */
  sample: number;
  /** MIT annotation code, 1 to 49. */
  code: number;
  /** The code's usual symbol, such as `N` or `V`; empty for a code that has none. */
  symbol: string;
}

export interface AnnotatedRecord {
  record: EcgRecord;
  annotations: Annotation[];
}
