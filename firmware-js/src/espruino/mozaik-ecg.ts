/** The module `mozaik-ecg`: heartbeats from an analog front end. */
export { Segmenter } from '../segmenter.ts';
export { startEcg as open } from './ecg.ts';
