/** The module `mozaik-ecg`: an electrocardiogram from an analog front end. */
export { startEcg as open } from './ecg.ts';
