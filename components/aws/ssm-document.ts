import { readFileSync } from "node:fs";
import * as aws from "@pulumi/aws";
import * as pulumi from "../pulumi.ts";

const FILE = new URL("../../docs/aws-ssm-document.json", import.meta.url);

export interface SsmDocumentArgs {
  /** Its name in the account and region, for [host.connection.document]. */
  readonly name: string;
}

/**
 * The SSM document that runs our host scripts and nothing else. A change of its text is a new version of
 * it, which commands use from then on.
 *
 *     new SsmDocument("document", { name: "nixos-promote" });
 */
export class SsmDocument extends pulumi.ComponentResource {
  readonly documentName: string;

  constructor(name: string, args: SsmDocumentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("choiros:aws:SsmDocument", name, {}, opts);
    this.documentName = args.name;
    new aws.ssm.Document(
      `${name}-document`,
      {
        name: args.name,
        documentType: "Command",
        documentFormat: "JSON",
        content: readFileSync(FILE, "utf8"),
      },
      { parent: this },
    );
    this.registerOutputs({ name: this.documentName });
  }
}
