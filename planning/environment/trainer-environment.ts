/**
 * @module What of a GPU worker's environment its trainers get. They run code of others, and print, log and dump what they
 * find in it: so they get what is known to be needed, and no secret that no one meant for them.
 */
import { EnvironmentError } from './environment-error.ts';

const NAMES: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'HOSTNAME', 'LANG', 'LANGUAGE', 'TZ', 'TERM'],
  ...['TMPDIR', 'TEMP', 'TMP', 'LD_LIBRARY_PATH', 'LD_PRELOAD', 'LIBRARY_PATH', 'CPATH', 'CC', 'CXX'],
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'MPLBACKEND', 'MPLCONFIGDIR'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'no_proxy', 'NO_PROXY'],
  ...['GLEE_BACKGROUND_SAVE', 'ROCR_VISIBLE_DEVICES', 'NUMBA_CACHE_DIR'],
]);

/** Python, libraries and drivers whose settings all begin so. SANDBOX_: the stand-in's. */
const PREFIXES = [
  ...['LC_', 'XDG_', 'PYTHON', 'PYENV_', 'TORCH_', 'TORCHINDUCTOR_', 'PYTORCH_', 'TRITON_', 'DETECTRON2_'],
  ...['FVCORE_', 'XFORMERS_', 'HF_', 'TRANSFORMERS_', 'TOKENIZERS_', 'CUDA_', 'CUDNN_', 'CUBLAS_', 'NVIDIA_'],
  ...['NCCL_', 'GLOO_', 'UCX_', 'FI_', 'IBV_', 'RDMAV_', 'HIP_', 'HSA_', 'RCCL_', 'OMP_', 'GOMP_', 'KMP_'],
  ...['MKL_', 'OPENBLAS_', 'BLIS_', 'NUMEXPR_', 'MALLOC_', 'OPENCV_', 'SANDBOX_'],
];

const SECRET = /TOKEN(?!IZERS)|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|_KEY$/i;
const PROXY = /^(https?|all|ftp)_proxy$/i;
const NAME = /^[A-Za-z_]\w*$/;

/**
 * The environment of a trainer: what of the worker's it needs, what `GLEE_PASS_ENV` names besides, and the additions.
 *
 * @throws EnvironmentError where GLEE_PASS_ENV is no list of names.
 */
export function trainerEnvironment(additions: Readonly<Record<string, string>>): Record<string, string> {
  const passed = passedNames();
  const inherited = Object.entries(process.env).flatMap(([key, value]) =>
    value !== undefined && (passed.has(key) || isNeeded(key, value)) ? [[key, value] as const] : [],
  );
  return { ...Object.fromEntries(inherited), PYTHONUNBUFFERED: '1', ...additions };
}

/** @throws EnvironmentError; called when a worker starts, so that no trainer has to fail for it. */
export function passedNames(): ReadonlySet<string> {
  const names = (process.env.GLEE_PASS_ENV ?? '').split(',').filter((name) => name !== '');
  const bad = names.find((name) => !NAME.test(name));
  if (bad === undefined) return new Set(names);
  throw new EnvironmentError(
    `GLEE_PASS_ENV: '${bad}' is not a variable's name: give names with ',' between them, as WANDB_API_KEY,WANDB_MODE`,
  );
}

function isNeeded(key: string, value: string): boolean {
  if (PROXY.test(key)) return !value.includes('@');
  return NAMES.has(key) || (PREFIXES.some((prefix) => key.startsWith(prefix)) && !SECRET.test(key));
}
