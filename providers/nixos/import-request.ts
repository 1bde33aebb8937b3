import provider from "@pulumi/pulumi/proto/provider_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";

/** `pulumi import` reads a resource without any properties, which the SDK's server takes for granted. */
export function allowImport(): void {
  const { getProperties } = provider.ReadRequest.prototype;
  provider.ReadRequest.prototype.getProperties = function () {
    return getProperties.call(this) ?? new struct.Struct();
  };
}
