import { z } from "zod";

/** Of a resource of ours: it stands in state, and a change of it would be a new resource. */
export const resourceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/, "must be a short name: letters, digits, dashes");
export const instanceId = z
  .string()
  .regex(/^i-[0-9a-f]{8}([0-9a-f]{9})?$/, "must be like i-0123456789abcdef0");
export const address = z.union([z.ipv4(), z.ipv6()], "must be an IP address");
export const dnsName = z
  .string()
  .max(253)
  .regex(
    /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/,
    "must be a name such as os.example.com",
  );
/** Of a dedicated server, a VPS, or an IP of OVH. */
export const serviceName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9][A-Za-z0-9.-]*$/, "must be a service name such as ns1234567.ip-192-0-2.eu");
export const stackName = z
  .string()
  .regex(
    /^[A-Za-z0-9_.][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.-]+){0,2}$/,
    "must be a stack name such as prod",
  );
