import { open, rename } from 'node:fs/promises';

/** Writes a whole file or nothing: readers see the old text or the new one, never half, also after a power cut. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
