import { connect } from "node:http2";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Calls a function of a provider before Pulumi's SDK is loaded, by Node's own means. Settles when the question is on its
 * way; nobody waits for the answer, and what goes wrong is not said.
 *
 * @param monitor address of Pulumi's resource monitor, `127.0.0.1:PORT`
 */
export function callEarly(monitor: string, token: string, args: Json): Promise<void> {
  return new Promise((sent) => {
    const session = connect(`http://${monitor}`);
    session.on("error", () => sent());
    session.on("connect", () => {
      const call = session.request(HEADERS);
      call.on("error", () => {});
      call.on("close", () => session.close());
      call.resume(); // what is not read would never close
      call.end(framed(invokeRequest(token, args)), () => setImmediate(sent));
      session.unref(); // the program does not stay for the answer
    });
  });
}

const HEADERS = {
  ":method": "POST",
  ":path": "/pulumirpc.ResourceMonitor/Invoke",
  "content-type": "application/grpc",
  te: "trailers",
};

/** One message of gRPC: not compressed, its length, itself. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** `pulumirpc.ResourceInvokeRequest` with its first two fields, as Protocol Buffers write it. */
export function invokeRequest(token: string, args: Json): Buffer {
  return Buffer.concat([bytes(1, Buffer.from(token)), bytes(2, message(args))]);
}

/** `google.protobuf.Struct` of an object, `ListValue` of an array. */
function message(json: Json): Buffer {
  if (Array.isArray(json)) return Buffer.concat(json.map((item) => bytes(1, value(item))));
  const fields = Object.entries(json as object).filter(([, item]) => item !== undefined);
  return Buffer.concat(
    fields.map(([key, item]) =>
      bytes(1, Buffer.concat([bytes(1, Buffer.from(key)), bytes(2, value(item))])),
    ),
  );
}

/** `google.protobuf.Value`. */
function value(json: Json): Buffer {
  if (json === null) return Buffer.from([0x08, 0]);
  if (typeof json === "boolean") return Buffer.from([0x20, Number(json)]);
  if (typeof json === "string") return bytes(3, Buffer.from(json));
  if (typeof json === "number") {
    const number = Buffer.alloc(9, 0x11);
    number.writeDoubleLE(json, 1);
    return number;
  }
  return bytes(Array.isArray(json) ? 6 : 5, message(json));
}

/** A field of text, bytes or a message. */
function bytes(field: number, content: Buffer): Buffer {
  const head = [(field << 3) | 2];
  let length = content.length;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), content]);
}
