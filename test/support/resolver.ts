// The resolver of people, for a process that is started with `--import` of this: it asks AWS where a name leads, and keeps
// the answer for as long as the record says, as resolvers do.
import dns from "node:dns";
import { readFileSync, writeFileSync } from "node:fs";
import { AwsApi } from "./aws-api.ts";

/** What PEOPLE_RESOLVE holds, as JSON. */
export interface Resolved {
  readonly url: string;
  readonly name: string;
  /** Where answers are kept. */
  readonly cache: string;
  readonly by: { readonly zone: string } | { readonly allocation: string };
}

interface Answer {
  readonly address: string;
  readonly until: number;
}

/** Where people are sent. */
export async function resolve({ url, name, cache, by }: Resolved): Promise<string> {
  const kept = answerIn(cache);
  if (kept !== undefined && kept.until > Date.now()) return kept.address;
  const api = new AwsApi(url);
  if ("allocation" in by) return api.hostOf((await api.association(by.allocation)).instance);
  const found = await api.record(by.zone, name);
  if (found === undefined) throw new Error(`${name} leads nowhere`);
  const answer = { address: found.value, until: Date.now() + found.ttl * 1000 };
  writeFileSync(cache, JSON.stringify(answer));
  return answer.address;
}

function answerIn(cache: string): Answer | undefined {
  try {
    return JSON.parse(readFileSync(cache, "utf8")) as Answer;
  } catch {
    return undefined;
  }
}

type Told = (error: Error | null, address?: unknown, family?: number) => void;

const given = process.env.PEOPLE_RESOLVE;
if (given !== undefined) {
  const resolved = JSON.parse(given) as Resolved;
  const others = dns.lookup as (name: string, options: object, told: Told) => void;
  const lookup = (name: string, options: { all?: boolean }, told: Told) => {
    if (name !== resolved.name) return others(name, options, told);
    resolve(resolved).then(
      (address) => (options.all ? told(null, [{ address, family: 4 }]) : told(null, address, 4)),
      (error: Error) => told(error),
    );
  };
  Object.assign(dns, { lookup });
}
