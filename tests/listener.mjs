// The clients' end of the back channel, for tests that run in processes of their own: it keeps what is posted to a path,
// and tells it to whoever asks for that path.
import { once } from "node:events";
import { createServer } from "node:http";

export async function listen() {
  const posts = new Map();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const known = posts.get(request.url) ?? [];
    if (request.method === "POST") {
      posts.set(request.url, [...known, { kind: request.headers["content-type"], body }]);
      response.writeHead(200, { "cache-control": "no-store" }).end();
    } else {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(known));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
