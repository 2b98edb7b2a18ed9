// A Workers KV namespace as workerd's binding asks for one, in memory. It is as slow to learn as the platform: what was
// read is read again for as long as the reader's `cache_ttl` says, whatever has been written or deleted since.
const values = new Map();
const caches = new Map();

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    const now = Date.now();
    if (request.method === "PUT") {
      const life = Number(url.searchParams.get("expiration_ttl") ?? Infinity);
      if (life < 60) return new Response("Invalid expiration_ttl", { status: 400 });
      const written = values.get(key);
      // One write a second for each key.
      if (written && now - written.at < 1000) return new Response("Too many requests", { status: 429 });
      values.set(key, { text: await request.text(), at: now, until: now + life * 1000 });
      return new Response();
    }
    if (request.method === "DELETE") {
      values.delete(key);
      return new Response();
    }
    const seconds = Number(url.searchParams.get("cache_ttl") ?? 60);
    if (seconds < 30) return new Response("Invalid cache_ttl", { status: 400 });
    const cached = caches.get(key);
    if (cached && now < cached.until) return new Response(cached.text);
    const value = values.get(key);
    if (!value || value.until <= now) return new Response("Not found", { status: 404 });
    caches.set(key, { text: value.text, until: now + seconds * 1000 });
    return new Response(value.text);
  },
};
