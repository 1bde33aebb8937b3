// Pulumi's runner maps every stack trace through source maps, and takes one for each promise and
// resource. Node runs our TypeScript with its own line numbers: there is nothing to map, and a
// quarter of the program's time to save. The runner sets it after us.
Object.defineProperty(Error, "prepareStackTrace", { configurable: true, get() {}, set() {} });

export {};
