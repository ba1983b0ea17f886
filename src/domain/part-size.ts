const MiB = 1024 * 1024

/** Of S3: at most 10,000 parts, each of at least 5 MiB but the last (Amazon S3, "multipart upload limits"). */
export const maxParts = 10_000
const leastBytes = 8 * MiB

/**
 * Size of the parts of an upload: small, for each part in flight lies in memory, and large enough that twice the expected
 * size still fits 10,000 parts. All parts but the last have this size, as some providers demand.
 */
export const partSizeFor = (expectedBytes: number): number =>
  Math.max(leastBytes, Math.ceil(expectedBytes / (maxParts / 2) / MiB) * MiB)
