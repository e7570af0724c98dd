/** @module From a parsed source to the port that downloads read. */
import type { S3Client } from '@aws-sdk/client-s3';
import { createS3StoredObjects } from '../../storage/s3-stored-objects.ts';
import { GITHUB, publishedDigest, releaseOf, type GitHub } from './github.ts';
import { huggingFaceFile, isHuggingFace, resolveUrl, type HuggingFace } from './hugging-face.ts';
import { localFile } from './local-file.ts';
import type { Source } from './parse-source.ts';
import type { ArtifactSource } from './source.ts';
import { storedObject } from './stored-object.ts';
import { webFile, type WebFile } from './web-file.ts';
import { createWeb, shown, type Web, type WebSettings } from './web.ts';

export interface SourceSettings extends WebSettings {
  /** Folders that `file://` sources may lie in. */
  readonly fileRoots: readonly string[];
  readonly huggingFace: HuggingFace;
  readonly github?: GitHub;
}

export interface Sources {
  of(source: Source): ArtifactSource;
  /** Ends all connections that are left. */
  close(): Promise<void>;
}

/** @param client For `s3://` sources. */
export function createSources(
  client: S3Client,
  { huggingFace, github = GITHUB, fileRoots, privateHosts = [], ...rest }: SourceSettings,
): Sources {
  // A mirror of Hugging Face may well be in the lab's own network: the operator has named it.
  const mirror = new URL(huggingFace.endpoint).hostname;
  const web = createWeb({ ...rest, privateHosts: [...privateHosts, mirror] });
  return {
    of(source) {
      switch (source.kind) {
        case 'file':
          return localFile(source.path, fileRoots);
        case 's3': {
          const address = `s3://${source.bucket}/${source.key}`;
          return storedObject(createS3StoredObjects(client, source.bucket, ''), source.key, address);
        }
        case 'huggingFace': {
          const { repository, revision, path } = source;
          const address = `hf://${repository}@${revision}/${path}`;
          return webFile(web, huggingFaceFile(huggingFace, resolveUrl(huggingFace, source), address));
        }
        case 'http': {
          const url = new URL(source.url);
          const file = isHuggingFace(huggingFace, url)
            ? huggingFaceFile(huggingFace, url)
            : plainFile(web, github, url);
          return webFile(web, file);
        }
      }
    },
    close: () => web.close(),
  };
}

function plainFile(web: Web, github: GitHub, url: URL): WebFile {
  const release = releaseOf(github, url);
  let digest: Promise<string | undefined> | undefined;
  return {
    url,
    address: shown(url),
    authorization: () => undefined,
    hint: 'it wants credentials, which an address cannot have: store the file in S3 (s3://…), or name another source',
    // Asked once: GitHub allows few requests an hour without a token, and a download opens its source many times.
    published: async (_answer, signal) =>
      release === undefined ? {} : { sha256: await (digest ??= publishedDigest(web, release, signal)) },
  };
}
