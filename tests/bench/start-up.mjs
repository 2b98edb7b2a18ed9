// What a process uses until its first answer, median of several interleaved starts.
import { freePorts, key } from "../foreign/pair.mjs";
import { cpuOf, memoryOf, ours, theirs } from "./processes.mjs";
import { median } from "./table.mjs";

const starts = 9;

export async function startUps(folder) {
  const [port] = await freePorts(1);
  const url = `http://localhost:${port}`;
  const settings = { ISSUER: url, SEALING_KEYS: key() };
  const route = { prefix: "/", origin: "http://localhost:9", access: "signed-in" };
  const all = {
    "empty JavaScript Worker": () => theirs(folder, "empty", port),
    "empty Rust Worker": () => theirs(folder, "empty-rust", port),
    gateway: () => ours(folder, "start-gateway", {
      gateway: { port, settings: { ...settings, PUBLIC_URL: url, CLIENT_ID: "gateway", ROUTES: [route] } },
    }),
    issuer: () => ours(folder, "start-idp", { idp: { port, settings } }),
  };
  const figures = Object.fromEntries(Object.keys(all).map((name) => [name, []]));
  for (let round = 0; round < starts; round += 1) {
    for (const [name, start] of Object.entries(all)) {
      const process = await start();
      figures[name].push({ cpu: cpuOf(process) * 1000, memory: memoryOf(process) });
      await process.stop();
    }
  }
  const of = (name, what) => median(figures[name].map((figure) => figure[what]));
  return Object.keys(all).map((name) => [
    name, of(name, "cpu").toFixed(0), (of(name, "cpu") / of("empty JavaScript Worker", "cpu")).toFixed(2), of(name, "memory").toFixed(0),
  ]);
}
