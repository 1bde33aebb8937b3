// Stands in for Pulumi's plugin for AWS where that cannot be had: the two resources that public traffic needs, as that
// plugin has them, over AWS's protocols to whatever AWS_ENDPOINT_URL names.
import { main } from "@pulumi/pulumi/provider/server.js";
import { z } from "zod";
import { AwsApi } from "../aws-api.ts";

interface Kind {
  /** What no update can change. */
  readonly replaces: readonly string[];
  create(inputs: unknown): Promise<string>;
  update(inputs: unknown): Promise<void>;
  /** What differs from the state. */
  read(state: unknown): Promise<object>;
}

const api = new AwsApi(process.env.AWS_ENDPOINT_URL ?? "", 30_000);

const recordInputs = z.object({
  ...{ zoneId: z.string(), name: z.string(), type: z.string(), ttl: z.number() },
  ...{ records: z.tuple([z.string()]), allowOverwrite: z.boolean() },
});
const record: Kind = {
  replaces: ["zoneId", "name", "type"],
  async create(inputs) {
    const { zoneId, name, type, allowOverwrite } = recordInputs.parse(inputs);
    await put(inputs, allowOverwrite ? "UPSERT" : "CREATE");
    return `${zoneId}_${name}_${type}`;
  },
  update: (inputs) => put(inputs, "UPSERT"),
  async read(state) {
    const { zoneId, name } = recordInputs.parse(state);
    const found = await api.record(zoneId, name);
    return found === undefined ? {} : { ttl: found.ttl, records: [found.value] };
  },
};

function put(inputs: unknown, action: "CREATE" | "UPSERT"): Promise<void> {
  const { zoneId, records, name, type, ttl } = recordInputs.parse(inputs);
  return api.changeRecord(zoneId, action, { name, type, ttl, value: records[0] });
}

const associationInputs = z.object({ allocationId: z.string(), instanceId: z.string() });
const association: Kind = {
  replaces: ["allocationId", "instanceId"],
  create(inputs) {
    const { allocationId, instanceId } = associationInputs.parse(inputs);
    return api.associate(allocationId, instanceId);
  },
  async update() {},
  async read(state) {
    const { allocationId } = associationInputs.parse(state);
    return { instanceId: (await api.association(allocationId)).instance };
  },
};

const kinds: Record<string, Kind> = {
  "aws:route53/record:Record": record,
  "aws:ec2/eipAssociation:EipAssociation": association,
};

function kindOf(urn: string): Kind {
  const kind = kinds[urn.split("::")[2]?.split("$").at(-1) ?? ""];
  if (kind === undefined) throw new Error(`no stand-in for ${urn}`);
  return kind;
}

await main(
  {
    version: "7.48.0",
    check: async (_urn, _olds, news) => ({ inputs: news, failures: [] }),
    async diff(_id, urn, olds, news) {
      const changed = Object.keys(news).filter(
        (key) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]),
      );
      const replaces = changed.filter((key) => kindOf(urn).replaces.includes(key));
      return { changes: changed.length > 0, replaces, deleteBeforeReplace: false };
    },
    create: async (urn, inputs) => ({ id: await kindOf(urn).create(inputs), outs: inputs }),
    async update(_id, urn, _olds, news) {
      await kindOf(urn).update(news);
      return { outs: news };
    },
    async read(id, urn, props) {
      return { id, props: { ...props, ...(await kindOf(urn).read(props)) } };
    },
    async delete(_id, urn) {
      throw new Error(`${urn} holds an address, and is to be kept`);
    },
  },
  process.argv.slice(2),
);
