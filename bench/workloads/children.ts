import { listening, type RunningProcess } from '../harness/processes.ts';

const READY_WITHIN_MS = 30_000;

/** The next message from a child. @throws Error with its output if it ends first */
export function childMessage<T>({ child, output }: RunningProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error(`ended: ${output()}`));
    child.once('exit', ended);
    child.once('message', (value) => {
      child.off('exit', ended);
      resolve(value as T);
    });
  });
}

/** Resolves when a pod and its Discord session are ready. @throws Error with the reasons and output */
export async function podReady(adminPort: number, running: RunningProcess): Promise<void> {
  await listening(adminPort, running);
  const until = performance.now() + READY_WITHIN_MS;
  let answer = '';
  while (performance.now() < until) {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
    answer = await response.text();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the pod is not ready: ${answer} ${running.output()}`);
}
