/** The refusals of one minute that proved nothing: some are recorded, the others counted. Values alone. */
export interface RefusalTally {
  /** Epoch seconds. */
  from: number;
  recorded: number;
  /** By the address that they came from. */
  recordedOf: Map<string, number>;
  /** By kind of record, then by reason code. */
  counted: Map<string, Map<string, number>>;
  /** How many were only counted, ever. */
  leftOut: number;
}

export function createRefusalTally(): RefusalTally {
  return { from: 0, recorded: 0, recordedOf: new Map(), counted: new Map(), leftOut: 0 };
}
