/** The cipher by itself, to see how large it is. */
export { AsconAead128 } from '../ascon.ts';
