/*
 * What a program needs of Pulumi's SDK, by its parts: the index would also load the Automation API
 * and a TypeScript compiler, which takes longer than everything else that a program does.
 */
import log from "@pulumi/pulumi/log/index.js";

export { Config } from "@pulumi/pulumi/config.js";
export { RunError } from "@pulumi/pulumi/errors.js";
export { getOrganization, getProject, getStack } from "@pulumi/pulumi/metadata.js";
export { all, type Input, type Output, output } from "@pulumi/pulumi/output.js";
export {
  ComponentResource,
  type ComponentResourceOptions,
  CustomResource,
  type CustomResourceOptions,
  type Resource,
} from "@pulumi/pulumi/resource.js";
export { allConfig } from "@pulumi/pulumi/runtime/config.js";
export { invoke } from "@pulumi/pulumi/runtime/invoke.js";
export { isDryRun } from "@pulumi/pulumi/runtime/settings.js";
export { StackReference } from "@pulumi/pulumi/stackReference.js";
export { log };
