// Where speech is in a sound: what to copy from. Numbers are those of examples/speech.py.

export const RATE = 16_000; // samples a second
const CHUNK = 4096; // samples that are judged together
const HOP = CHUNK / 2; // from one chunk to the next

/** The samples of a sound file at the rate of the model, its channels as one. */
export async function samplesOf(bytes) {
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const values = sound.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i] += values[i] / sound.numberOfChannels;
  }
  return samples;
}

/**
 * The probability of speech in each chunk of a sound.
 *
 * @param {object} ort The module onnxruntime-web.
 * @param {object} session The session of the model.
 * @param {Float32Array} samples
 * @returns {Promise<number[]>} One for each 2048 samples; none for a sound of less than a quarter of a second.
 */
export async function probabilities(ort, session, samples) {
  const count = Math.max(0, Math.floor((samples.length - CHUNK) / HOP) + 1);
  if (count === 0) return [];
  const audio = new Float32Array(count * CHUNK);
  for (let i = 0; i < count; i++) audio.set(samples.subarray(i * HOP, i * HOP + CHUNK), i * CHUNK);
  const { probability } = await session.run({ audio: new ort.Tensor("float32", audio, [count, CHUNK]) });
  return Array.from({ length: count }, (_, i) => probability.data[2 * i + 1]);
}

/** Where speech starts and ends, in seconds, with its mean probability, from that of each chunk. */
export function segments(values) {
  const found = [];
  for (let start = 0; start < values.length; start++) {
    if (values[start] <= 0.5) continue;
    let end = start;
    let sum = 0;
    while (end < values.length && values[end] > 0.5) sum += values[end++];
    found.push({ from: (start * HOP) / RATE, to: ((end - 1) * HOP + CHUNK) / RATE, probability: sum / (end - start) });
    start = end;
  }
  return found;
}
