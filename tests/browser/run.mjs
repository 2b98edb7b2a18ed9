// Chromium signs in, stays and signs out at our pair. Pictures of the pages go to .gatelatch/screenshots/.
import { subject } from "../foreign/checks.mjs";
import { posting } from "./posting.mjs";
import { checking } from "./checking.mjs";
import { resuming } from "./resuming.mjs";
import { consenting } from "./consenting.mjs";
import { federating } from "./federating.mjs";
import { signingIn } from "./signing-in.mjs";
import { signingOut } from "./signing-out.mjs";
import { staying } from "./staying.mjs";
import { world } from "./world.mjs";

await subject("browser", async (it) => {
  const here = await world();
  for (const walk of [signingIn, posting, staying, resuming, consenting, signingOut, federating, checking]) await walk(it, here);
});
