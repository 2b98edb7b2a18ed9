// Nothing: what the runtime itself costs. Also the origin of every hop.
export default {
  fetch() {
    return new Response("Hello from something that does nothing but say hello.\n");
  },
};
