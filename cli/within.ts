import { Failure } from "../providers/errors.ts";

/** What a host has not answered by then is not waited for: others must not wait for it either. */
export async function within<T>(seconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failure("timeout", `${what} gave no answer within ${seconds} s.`)),
      seconds * 1000,
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
