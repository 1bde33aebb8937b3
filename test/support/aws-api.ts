// Route 53 and EC2 as far as public traffic needs them, in their own protocols. Our plugin that stands in for AWS's, the
// people of a test and the test itself ask by it.

const ZONE_XML = "https://route53.amazonaws.com/doc/2013-04-01/";

export interface RecordSet {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly value: string;
}

export class AwsApi {
  readonly #url: string;
  /** A call that takes longer has failed. */
  readonly #milliseconds: number;

  constructor(url: string, milliseconds = 60_000) {
    [this.#url, this.#milliseconds] = [url, milliseconds];
  }

  /** Ids of AWS begin with a Z, and those of moto with anything: the first that AWS could have given. */
  async createZone(name: string): Promise<string> {
    for (let round = 0; round < 1000; round += 1) {
      const body = `<CreateHostedZoneRequest xmlns="${ZONE_XML}"><Name>${name}</Name><CallerReference>${round}</CallerReference></CreateHostedZoneRequest>`;
      const answer = await this.#call("route53", "/2013-04-01/hostedzone", body);
      const id = textIn(answer, "Id").replace("/hostedzone/", "");
      if (id.startsWith("Z")) return id;
    }
    throw new Error("no zone has an id as AWS gives it");
  }

  async changeRecord(
    zone: string,
    action: "CREATE" | "UPSERT",
    { name, type, ttl, value }: RecordSet,
  ): Promise<void> {
    const set = `<ResourceRecordSet><Name>${name}</Name><Type>${type}</Type><TTL>${ttl}</TTL><ResourceRecords><ResourceRecord><Value>${value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`;
    const change = `<Change><Action>${action}</Action>${set}</Change>`;
    const body = `<ChangeResourceRecordSetsRequest xmlns="${ZONE_XML}"><ChangeBatch><Changes>${change}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`;
    await this.#call("route53", `/2013-04-01/hostedzone/${zone}/rrset/`, body);
  }

  async record(zone: string, name: string): Promise<RecordSet | undefined> {
    const all = await this.#call("route53", `/2013-04-01/hostedzone/${zone}/rrset`);
    const [found] = all
      .split("<ResourceRecordSet>")
      .filter((set) => set.includes(`<Name>${name}.</Name>`));
    if (found === undefined) return undefined;
    const ttl = Number(textIn(found, "TTL"));
    return { name, type: textIn(found, "Type"), ttl, value: textIn(found, "Value") };
  }

  /** An instance that stands for a host; the tag says which. */
  async runInstance(host: string): Promise<string> {
    const started = await this.#ec2({
      Action: "RunInstances",
      ImageId: "ami-12c6146b",
      MinCount: "1",
      MaxCount: "1",
    });
    const id = textIn(started, "instanceId");
    const tag = { "Tag.1.Key": "lab-address", "Tag.1.Value": host };
    await this.#ec2({ Action: "CreateTags", "ResourceId.1": id, ...tag });
    return id;
  }

  async allocateAddress(): Promise<string> {
    const answer = await this.#ec2({ Action: "AllocateAddress", Domain: "vpc" });
    return textIn(answer, "allocationId");
  }

  async associate(allocationId: string, instanceId: string): Promise<string> {
    const all = { AllocationId: allocationId, InstanceId: instanceId, AllowReassociation: "true" };
    return textIn(await this.#ec2({ Action: "AssociateAddress", ...all }), "associationId");
  }

  /** The instance that an address leads to, and by which association. */
  async association(allocationId: string): Promise<{ id: string; instance: string }> {
    const said = await this.#ec2({ Action: "DescribeAddresses", "AllocationId.1": allocationId });
    return { id: textIn(said, "associationId"), instance: textIn(said, "instanceId") };
  }

  async hostOf(instanceId: string): Promise<string> {
    const filter = { "Filter.1.Name": "resource-id", "Filter.1.Value.1": instanceId };
    return textIn(await this.#ec2({ Action: "DescribeTags", ...filter }), "value");
  }

  #ec2(parameters: Record<string, string>): Promise<string> {
    return this.#call("ec2", "/", new URLSearchParams({ ...parameters, Version: "2016-11-15" }));
  }

  async #call(service: string, path: string, body?: string | URLSearchParams): Promise<string> {
    const scope = `x/20260101/us-east-1/${service}/aws4_request`;
    const answer = await fetch(`${this.#url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      // Its signature is not looked at by moto, but by what it is meant for.
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
        connection: "close",
      },
      signal: AbortSignal.timeout(this.#milliseconds),
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${service} answers ${answer.status}: ${text.slice(0, 500)}`);
    return text;
  }
}

function textIn(xml: string, tag: string): string {
  return new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? "";
}
