import { resolve } from 'node:path';
import { UploadError } from '../errors.ts';
import { command } from './command.ts';
import { flagsHelp, given, text, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
import { exitCode } from './io.ts';

const own: Flags = {
  private: toggle('Makes a new repository that only you (or your organization) can see'),
  public: toggle('Makes a new repository that everybody can see'),
  message: text('TEXT', 'Message of the commit (default "Upload with tsrl")'),
  json: toggle('Prints { repository, url, commit, private, created, files, bytes }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl push --help`. */
export function help(): string {
  return `tsrl push FOLDER|RUN org/name --private|--public [--message TEXT]

Sends a model to the Hugging Face Hub as one commit and prints its page. FOLDER is a model in Hugging Face layout or a PEFT
adapter; of a run folder its final/ is sent, a checkpoint is named: runs/a/checkpoints/step-000025.

A new repository needs --private or --public. One that exists stays what it is; --private is refused where it is public.
A model card (README.md) is added unless the folder or the repository has one of its own.
The token is read from HF_TOKEN (or the file that Python's \`hf auth login\` writes); HF_ENDPOINT names another Hub.

${flagsHelp(own)}
`;
}

/** Pushes a folder. */
export const run = command(() => own, help, async (parsed, io) => {
  const [folder, repository, ...more] = parsed.positionals;
  if (folder === undefined || repository === undefined || more.length > 0) {
    throw new UsageError(`Expected a folder and a repository, got ${parsed.positionals.length === 0 ? 'nothing' : parsed.positionals.join(' and ')}; write \`tsrl push FOLDER org/name --private\`.`);
  }
  const message = given(parsed, 'message') as string | undefined;
  const isPrivate = visibility(parsed);
  const { pushFolder } = await import('../push.ts');
  const upload = await pushFolder(resolve(io.cwd, folder), repository, {
    ...(isPrivate === undefined ? {} : { private: isPrivate }),
    ...(message === undefined ? {} : { commitMessage: message }),
    onMessage: (line) => io.err(`${line}\n`),
  }).catch((error: unknown) => {
    // What is missing stands on the command line, though only the Hub could tell that it is needed.
    if (error instanceof UploadError && error.data['reason'] === 'visibility' && isPrivate === undefined) throw new UsageError(error.message, { ...error.data }, { cause: error });
    throw error;
  });
  io.out(given(parsed, 'json') === true ? `${JSON.stringify(upload)}\n` : `${upload.url}\n`);
  return exitCode.done;
});

/** true for private, false for public, undefined where nothing was said. */
function visibility(parsed: ParsedFlags): boolean | undefined {
  const asPrivate = given(parsed, 'private') as boolean | undefined;
  const asPublic = given(parsed, 'public') as boolean | undefined;
  if (asPrivate !== undefined && asPublic !== undefined && asPrivate === asPublic) {
    throw new UsageError(`Expected one of \`--private\` and \`--public\`, got ${asPrivate ? 'both' : 'neither of them'}; choose who may see it.`);
  }
  return asPrivate ?? (asPublic === undefined ? undefined : !asPublic);
}
