// What the platform binds as a rate limit and as a dataset of Analytics Engine. Each question to the limit is passed on to
// the test, with the points that were written since: what is written tells nobody, and nothing outlives its request.
let written = [];
// Whether the test has said that writing fails.
let broken = false;

// One that is answered anything but 200 fails.
export function limit({ at }) {
  return {
    async limit({ key, ...more }) {
      const points = written;
      written = [];
      const answer = await at.fetch("http://test/", { method: "POST", body: JSON.stringify({ key, more, points }) });
      broken = answer.headers.has("x-broken");
      if (answer.status !== 200) throw new Error("the rate limit cannot be asked");
      return answer.json();
    },
  };
}

// It answers nothing, and throws when it is given what it does not take.
export function dataset() {
  return {
    writeDataPoint(point) {
      const { indexes = [], blobs = [], doubles = [], ...more } = point;
      const texts = [...indexes, ...blobs].every((text) => typeof text === "string");
      const numbers = doubles.every((number) => typeof number === "number");
      const few = indexes.length <= 1 && blobs.length <= 20 && doubles.length <= 20 && Object.keys(more).length === 0;
      if (broken || !texts || !numbers || !few) throw new TypeError("no such point");
      written.push(point);
    },
  };
}
