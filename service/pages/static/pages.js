// What pages do where there is JavaScript; all of them work without it. htmx does the rest.
"use strict";

const SIZE = 320;
const PEN = 26;

// A pad to draw on. What was drawn is fitted to the model's pixels, as training data mostly are, and written
// into the form's text field as numbers.
function makePad(pad) {
  const canvas = pad.querySelector("canvas");
  const values = document.getElementById("values");
  const side = Number(pad.dataset.side);
  const [low, high] = [Number(pad.dataset.low), Number(pad.dataset.high)];
  const ink = document.createElement("canvas");
  ink.width = ink.height = SIZE;
  const strokes = ink.getContext("2d", { willReadFrequently: true });
  strokes.lineCap = strokes.lineJoin = "round";
  strokes.strokeStyle = "#fff";
  strokes.lineWidth = PEN;
  const shown = canvas.getContext("2d");
  let from = null;
  let cursor = null;
  let down = false;

  function line(to) {
    strokes.beginPath();
    strokes.moveTo(...(from ?? to));
    strokes.lineTo(...to);
    strokes.stroke();
    from = to;
  }

  function paint() {
    shown.fillStyle = "#0c1016";
    shown.fillRect(0, 0, SIZE, SIZE);
    shown.drawImage(ink, 0, 0);
    if (cursor !== null) {
      shown.beginPath();
      shown.arc(...cursor, PEN / 2, 0, 2 * Math.PI);
      shown.lineWidth = 3;
      shown.strokeStyle = down ? "#7ab2f5" : "#8793a3";
      shown.stroke();
    }
  }

  // The smallest square around the ink, or none.
  function frame(alpha) {
    let [left, top, right, bottom] = [SIZE, SIZE, -1, -1];
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        if (alpha[4 * (y * SIZE + x) + 3] > 40) {
          left = Math.min(left, x);
          right = Math.max(right, x);
          top = Math.min(top, y);
          bottom = Math.max(bottom, y);
        }
      }
    }
    if (right < 0) return null;
    const long = Math.max(right - left, bottom - top) + 1;
    const length = long * (side > 12 ? 1.4 : 1.02);
    return { x: (left + right + 1 - length) / 2, y: (top + bottom + 1 - length) / 2, length };
  }

  function write() {
    const pixels = strokes.getImageData(0, 0, SIZE, SIZE).data;
    const found = frame(pixels);
    const numbers = [];
    const parts = 6;
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        let sum = 0;
        for (let k = 0; found && k < parts * parts; k++) {
          const x = Math.floor(found.x + ((column + ((k % parts) + 0.5) / parts) * found.length) / side);
          const y = Math.floor(found.y + ((row + (Math.floor(k / parts) + 0.5) / parts) * found.length) / side);
          if (x >= 0 && x < SIZE && y >= 0 && y < SIZE) sum += pixels[4 * (y * SIZE + x) + 3] / 255;
        }
        numbers.push(Number((low + ((high - low) * sum) / (parts * parts)).toFixed(4)));
      }
    }
    values.value = JSON.stringify({ input_data: [numbers] });
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    cursor = null;
    from = null;
    line(place(event));
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from === null || cursor !== null) return;
    line(place(event));
    paint();
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      from = null;
      write();
    });
  }
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("focus", () => {
    if (!canvas.matches(":focus-visible")) return;
    cursor ??= [SIZE / 2, SIZE / 2];
    paint();
  });
  canvas.addEventListener("blur", () => {
    cursor = null;
    down = false;
    paint();
  });
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (step === undefined && event.key !== " ") return;
    event.preventDefault();
    cursor ??= [SIZE / 2, SIZE / 2];
    if (event.key === " ") {
      down = !down;
      from = null;
    } else {
      cursor = cursor.map((at, axis) => Math.min(SIZE - PEN, Math.max(PEN, at + (step[axis] * SIZE) / 16)));
    }
    if (down) {
      line(cursor);
      write();
    }
    paint();
  });
  pad.querySelector("[data-clear]").addEventListener("click", () => {
    strokes.clearRect(0, 0, SIZE, SIZE);
    paint();
    write();
  });
  pad.hidden = false;
  paint();
  write();
  const typed = document.querySelector("[data-typed]");
  if (typed !== null) typed.open = false;
}

// A job's events, as they happen: each has the page ask for the job's present state.
function listen(job) {
  const source = new EventSource(job.dataset.events);
  const changed = () => {
    const current = document.getElementById(job.id);
    if (current !== null && window.htmx) window.htmx.trigger(current, "changed");
    else if (!window.htmx) window.location.reload();
  };
  const names = ["submitted", "execution", "proof", "stage", "progress", "put_back", "cancel_requested"];
  for (const name of names) if (window.htmx) source.addEventListener(name, changed);
  source.addEventListener("finished", () => {
    source.close();
    changed();
  });
  window.addEventListener("pagehide", () => source.close());
}

function makeCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

document.querySelectorAll("[data-pad]").forEach(makePad);
document.querySelectorAll("[data-events]").forEach(listen);
document.querySelectorAll("[data-copy]").forEach(makeCopy);
if (window.htmx) document.querySelectorAll("[data-without-script]").forEach((element) => (element.hidden = true));
