import type { ContainerSpec } from '../manifests.ts';
import type { Engine } from './engine.ts';

/** The arguments of `podman run` or `docker run` for a container of the manifests. */
export function runArguments(
  engine: Pick<Engine, 'program' | 'runOptions' | 'limitsMemory'>,
  { name, image, spec, options }: { name: string; image: string; spec: ContainerSpec; options: readonly string[] },
): string[] {
  const mega = (size: string): string => size.replace('Mi', 'm');
  const memory = mega(spec.memory);
  return [
    'run',
    ...['--detach', '--name', name, '--hostname', name],
    ...engine.runOptions,
    // Podman's name server drops queries while containers start and stop. By default the resolver repeats them after 5 s.
    ...['--dns-option', 'timeout:1', '--dns-option', 'attempts:4'],
    // The security context of the manifests.
    ...['--user', `${spec.user}:${spec.user}`, '--read-only', '--cap-drop', 'ALL'],
    ...['--security-opt', 'no-new-privileges'],
    ...(engine.program === 'podman' ? ['--read-only-tmpfs=false'] : []),
    ...(engine.limitsMemory ? ['--memory', memory, '--memory-swap', memory] : []),
    ...Object.entries(spec.temporary).flatMap(([path, size]) => ['--tmpfs', `${path}:size=${mega(size)},mode=1777`]),
    ...Object.entries({ ...spec.env, POD_NAME: name }).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...options,
    image,
    ...spec.args,
  ];
}
