/** The faults that a simulated board and its link can have, each with a probability. */

/** Faults of the link; the probability is per sample sent. */
export const LINK_FAULTS = {
  drop: 'the link breaks: before, within or after a packet, or it falls silent',
  delay: 'the link stalls for some milliseconds',
  duplicate: 'a packet arrives twice',
  reorder: 'a packet arrives after later ones',
  corrupt: 'bytes of a packet change on the way',
} as const;

/** Faults of the board; the probability is per heartbeat. */
export const BOARD_FAULTS = {
  reboot: 'the board restarts in good order and keeps its queue',
  'power-cut': 'the power fails: memory is lost, a write to flash is torn',
} as const;

export const FAULTS = { ...LINK_FAULTS, ...BOARD_FAULTS } as const;

export type LinkFault = keyof typeof LINK_FAULTS;
export type Fault = keyof typeof FAULTS;
/** Probabilities from 0 to 1; a fault that is left out never happens. */
export type Faults = Partial<Record<Fault, number>>;

export const isFault = (name: string): name is Fault => Object.hasOwn(FAULTS, name);
