import { kindOf, type StackKind } from "../contract/stack-kind.ts";
import * as pulumi from "./pulumi.ts";

/** By the settings of this stack. */
export function stackKind(project = pulumi.getProject()): StackKind {
  const given = pulumi.allConfig();
  return kindOf((name) => given[`${project}:${name}`] !== undefined);
}
