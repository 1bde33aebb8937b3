// The policy pack: what no stack, or no production stack, may be. See docs/policies.md.
import { PolicyPack, type ResourceValidationPolicy } from "@pulumi/policy";
import { isProduction, PRODUCTION, RULES, type Rule } from "./rules.ts";

new PolicyPack("nixos-promote", {
  enforcementLevel: "mandatory",
  policies: RULES.map(policyOf),
});

function policyOf(rule: Rule): ResourceValidationPolicy {
  const { name, description, production } = rule;
  return {
    ...{ name, description },
    ...(production && {
      configSchema: {
        properties: {
          stacks: { type: "array", items: { type: "string" }, default: [...PRODUCTION] },
        },
      },
    }),
    validateResource: (args, report) => {
      const { stacks } = args.getConfig<{ stacks?: readonly string[] }>();
      if (production && !isProduction(args, stacks)) return;
      for (const complaint of rule.complaints(args)) report(complaint);
    },
  };
}
