import grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";

/** Says on a resource's row, or below the run, what goes on. */
export interface Reporter {
  /** Replaces the row's status; gone when the operation ends. */
  progress(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

/** The engine's log, at the address which the plugin gets as its first argument. */
export function engineLog(address: string | undefined): (urn: string) => Reporter {
  if (address === undefined) return () => silent;
  let client: InstanceType<typeof engineGrpc.EngineClient> | undefined;
  const { INFO, WARNING } = engine.LogSeverity;
  const send = (
    urn: string,
    severity: typeof INFO | typeof WARNING,
    message: string,
    ephemeral: boolean,
  ) => {
    client ??= new engineGrpc.EngineClient(address, grpc.credentials.createInsecure());
    const request = new engine.LogRequest();
    request.setSeverity(severity);
    request.setMessage(message);
    request.setUrn(urn);
    request.setStreamid(0);
    request.setEphemeral(ephemeral);
    client.log(request, () => {}); // what cannot be shown is no reason to fail
  };
  return (urn) => ({
    progress: (message) => send(urn, INFO, message, true),
    info: (message) => send(urn, INFO, message, false),
    warn: (message) => send(urn, WARNING, message, false),
  });
}

/** For those who look again. */
export const silent: Reporter = { progress() {}, info() {}, warn() {} };
