// CRC-32 (ISO-HDLC), eight bytes a step.
//
// TABLE[256 * k + b] is the remainder of byte b followed by k zero bytes, so that the eight bytes of a step can be
// looked up apart from each other.

const POLYNOMIAL = 0xedb88320;
const TABLE = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  TABLE[byte] = remainder;
}
for (let i = 256; i < 8 * 256; i++) TABLE[i] = (TABLE[i - 256] >>> 8) ^ TABLE[TABLE[i - 256] & 255];

/** The checksum of bytes, given that of the bytes before them. */
export function crc32(bytes, before = 0) {
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc =
      TABLE[1792 + (crc & 255)] ^
      TABLE[1536 + ((crc >>> 8) & 255)] ^
      TABLE[1280 + ((crc >>> 16) & 255)] ^
      TABLE[1024 + (crc >>> 24)] ^
      TABLE[768 + bytes[i + 4]] ^
      TABLE[512 + bytes[i + 5]] ^
      TABLE[256 + bytes[i + 6]] ^
      TABLE[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}
