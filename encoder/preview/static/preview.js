'use strict';

/* The page of `encoder preview`. Frames are counted as the report counts them: frame n is shown
   from n to n + 1 durations of a frame. */

const byId = (id) => document.getElementById(id);
const video = byId('video');
const stage = byId('stage');
const canvas = byId('curve');
const state = {
  data: null, hls: null, wanted: -1, frame: 0, pictured: -1, asked: -1, worst: -1, problem: '',
};
window.preview = state; // for whoever wants to look from the console

function rate() {
  const pair = state.data.frame_rate;
  return pair === null ? 25 : pair[0] / pair[1];
}

function lastFrame() {
  if (state.data.frames) return state.data.frames - 1;
  return Math.max(0, Math.round((video.duration || 0) * rate()) - 1);
}

function bits(value) {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)} Mb/s` : `${Math.round(value / 1e3)} kb/s`;
}

function problem(text) {
  state.problem = text;
  byId('problem').textContent = text;
  byId('problem').hidden = text === '';
}

/* The rendition of a level of the player: its playlist has the rendition's name. */
function renditionOf(level) {
  if (!level) return null;
  const name = decodeURIComponent(level.url[0].split('?')[0].split('/').pop().replace(/\.m3u8$/, ''));
  return state.data.renditions.find((one) => one.id === name)
    || { id: name, width: level.width, height: level.height, average_bitrate: level.averageBitrate
      || level.bitrate, vmaf: null, curve: null, worst: [] };
}

function levels() {
  return state.hls ? state.hls.levels : [];
}

function playing() {
  const hls = state.hls;
  return hls ? renditionOf(hls.levels[hls.currentLevel >= 0 ? hls.currentLevel : hls.loadLevel]) : null;
}

function choose(index) {
  state.wanted = index;
  state.worst = -1;
  state.hls.currentLevel = index; // -1: the player chooses
  drawRungs();
  draw();
}

function go(frame) {
  const n = Math.min(lastFrame(), Math.max(0, Math.round(frame)));
  video.currentTime = (n + 0.5) / rate();
}

function drawRungs() {
  const box = byId('rungs');
  const entries = [[-1, 'Auto', 'the player chooses']];
  levels().forEach((level, index) => {
    const one = renditionOf(level);
    const vmaf = one.vmaf === null ? '' : `, VMAF ${one.vmaf.toFixed(1)}`;
    entries.push([index, `${one.width}\u00d7${one.height}`, `${bits(one.average_bitrate)}${vmaf}`]);
  });
  entries.sort((a, b) => (a[0] < 0 ? -1 : b[0] < 0 ? 1 : b[0] - a[0]));
  box.replaceChildren(...entries.map(([index, head, tail]) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.level = String(index);
    button.setAttribute('aria-pressed', String(state.wanted === index));
    button.classList.toggle('playing', index >= 0 && state.hls.currentLevel === index);
    const small = document.createElement('small');
    small.textContent = tail;
    button.append(head, small);
    button.addEventListener('click', () => choose(index));
    return button;
  }));
}

function curveValue(curve, frame) {
  const at = curve.frame;
  let low = 0;
  let high = at.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (at[middle] <= frame) low = middle; else high = middle - 1;
  }
  return curve.mean[low];
}

function draw() {
  const wide = canvas.clientWidth;
  const high = canvas.clientHeight;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(wide * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  const frames = lastFrame() + 1;
  const now = playing();
  const curves = state.data.renditions.filter((one) => one.curve !== null);
  const least = Math.min(100, ...curves.map((one) => Math.min(...one.curve.low)));
  const floor = Math.max(0, Math.floor(least / 10) * 10);
  const x = (frame) => (frame / Math.max(1, frames)) * wide;
  const y = (value) => high - 6 - ((value - floor) / Math.max(1, 100 - floor)) * (high - 14);
  pen.font = '11px system-ui';
  pen.fillStyle = '#9aa0a8';
  pen.strokeStyle = '#33383f';
  pen.lineWidth = 1;
  if (curves.length) {
    for (let value = floor; value <= 100; value += 10) {
      pen.beginPath();
      pen.moveTo(0, y(value));
      pen.lineTo(wide, y(value));
      pen.stroke();
      if (value % 20 === 0) pen.fillText(`VMAF ${value}`, 4, y(value) + (value === 100 ? 11 : -2));
    }
  }
  for (const start of state.data.shots.slice(1)) {
    pen.beginPath();
    pen.moveTo(x(start), high - 8);
    pen.lineTo(x(start), high);
    pen.strokeStyle = '#9aa0a8';
    pen.stroke();
  }
  const line = (curve, which, colour, width) => {
    pen.beginPath();
    curve.frame.forEach((frame, n) => {
      const at = [x(frame + 0.5), y(curve[which][n])];
      if (n) pen.lineTo(...at); else pen.moveTo(...at);
    });
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  };
  for (const one of curves) {
    if (!now || one.id !== now.id) line(one.curve, 'mean', 'rgb(154 160 168 / 35%)', 1);
  }
  const own = now && curves.find((one) => one.id === now.id);
  if (own) {
    line(own.curve, 'low', '#ff8f6b', 1);
    line(own.curve, 'mean', '#7aa2ff', 1.6);
  }
  pen.fillStyle = '#e8eaed';
  pen.fillRect(x(state.frame + 0.5) - 0.75, 0, 1.5, high);
  canvas.setAttribute('aria-valuemax', String(frames - 1));
  canvas.setAttribute('aria-valuenow', String(state.frame));
  const vmaf = own ? `VMAF ${curveValue(own.curve, state.frame).toFixed(1)} here` : '';
  const parts = now ? [now.id, bits(now.average_bitrate), vmaf] : [];
  byId('now').textContent = parts.filter(Boolean).join(' \u00b7 ');
  byId('rendition-name').textContent = now ? `${now.id} (${now.width}\u00d7${now.height})` : '';
  byId('time').textContent = `frame ${state.frame} of ${frames}, ${video.currentTime.toFixed(3)} s`;
}

/* The master's frame that belongs to what is shown; while the video plays it would come too late. */
function picture() {
  const needed = stage.dataset.mode !== 'single' || stage.classList.contains('holding');
  const stale = state.pictured !== state.frame;
  stage.classList.toggle('stale', stale && !video.paused);
  if (!needed || !video.paused || !stale || state.asked === state.frame || !state.data.frames) return;
  const number = state.frame;
  state.asked = number;
  fetch(`frame/${number}.jpg`).then(async (answer) => {
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const data = await answer.blob();
    const reader = new FileReader();
    await new Promise((done, failed) => {
      reader.onload = done;
      reader.onerror = failed;
      reader.readAsDataURL(data);
    });
    byId('frame').src = reader.result;
    await byId('frame').decode();
    state.pictured = number;
    byId('master-name').textContent = `Master, frame ${number}`;
    problem('');
  }).catch((error) => problem(`No picture of the master: ${error.message}`))
    .finally(() => {
      if (state.asked === number) state.asked = -1;
      if (state.pictured === number || state.frame !== number) tick();
    });
}

function tick(time) {
  const at = time === undefined ? video.currentTime : time;
  state.frame = Math.min(lastFrame(), Math.max(0, Math.floor(at * rate() + 1e-3)));
  draw();
  picture();
}

function everyFrame(_, metadata) {
  // What is on the screen, which a seek that is under way is not.
  if (!video.paused) tick(metadata.mediaTime + 0.5 / rate());
  video.requestVideoFrameCallback(everyFrame);
}

function toggle() {
  if (video.paused) video.play().catch((error) => problem(error.message)); else video.pause();
}

function mode(name) {
  stage.dataset.mode = name;
  byId('mode').value = name;
  tick();
}

function nextWorst() {
  const now = playing();
  if (!now || !now.worst.length) return;
  video.pause();
  state.worst = (state.worst + 1) % now.worst.length;
  go(now.worst[state.worst]);
}

function shot(direction) {
  const starts = state.data.shots;
  const found = direction > 0
    ? starts.find((start) => start > state.frame)
    : [...starts].reverse().find((start) => start < state.frame);
  if (found !== undefined) go(found);
}

function step(direction) {
  const order = levels().map((_, index) => index);
  const now = state.wanted >= 0 ? state.wanted : state.hls.currentLevel;
  const next = now + direction;
  if (order.includes(next)) choose(next);
}

function help() {
  const box = byId('help');
  box.hidden = !box.hidden;
  byId('help-button').setAttribute('aria-expanded', String(!box.hidden));
}

const MODES = ['single', 'side', 'wipe'];
const KEYS = {
  ' ': toggle,
  ArrowLeft: (event) => { video.pause(); go(state.frame - (event.shiftKey ? rate() : 1)); },
  ArrowRight: (event) => { video.pause(); go(state.frame + (event.shiftKey ? rate() : 1)); },
  ArrowUp: () => step(1),
  ArrowDown: () => step(-1),
  a: () => choose(-1),
  c: () => mode(MODES[(MODES.indexOf(stage.dataset.mode) + 1) % MODES.length]),
  m: () => { stage.classList.add('holding'); video.pause(); tick(); },
  w: nextWorst,
  '[': () => shot(-1),
  ']': () => shot(1),
  Home: () => go(0),
  End: () => go(lastFrame()),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()),
  '?': help,
};

function listen() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!(event.target instanceof Element)) return;
    if (event.target.matches('select, input[type=range]')) return;
    if (event.key === ' ' && event.target.matches('button')) return;
    const act = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    if (event.repeat && ['m', ' ', 'f', '?'].includes(event.key.toLowerCase())) return;
    act(event);
  });
  document.addEventListener('keyup', (event) => {
    if (event.key.toLowerCase() === 'm') stage.classList.remove('holding');
  });
  window.addEventListener('blur', () => stage.classList.remove('holding'));
  window.addEventListener('resize', draw);
  byId('play').addEventListener('click', toggle);
  byId('worst').addEventListener('click', nextWorst);
  byId('help-button').addEventListener('click', help);
  byId('mode').addEventListener('change', (event) => mode(event.target.value));
  byId('muted').addEventListener('change', (event) => { video.muted = event.target.checked; });
  byId('wipe').addEventListener('input', (event) => {
    stage.style.setProperty('--wipe', `${event.target.value / 10}%`);
  });
  video.addEventListener('click', toggle);
  for (const name of ['play', 'pause', 'ended']) {
    video.addEventListener(name, () => {
      byId('play').textContent = video.paused ? 'Play' : 'Pause';
      tick();
    });
  }
  for (const name of ['seeked', 'timeupdate', 'loadedmetadata']) video.addEventListener(name, () => tick());
  canvas.addEventListener('click', (event) => {
    const box = canvas.getBoundingClientRect();
    go(Math.floor(((event.clientX - box.left) / box.width) * (lastFrame() + 1)));
  });
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(everyFrame);
}

/* What is behind # of the address gets the keys of an encrypted package. */
function keys() {
  const token = window.location.hash.slice(1);
  if (token === '') return {};
  return {
    emeEnabled: true,
    drmSystems: { 'org.w3.clearkey': { licenseUrl: '/licence' } },
    licenseXhrSetup: (request, url) => {
      request.open('POST', url, true);
      request.setRequestHeader('Authorization', `Bearer ${token}`);
    },
  };
}

async function start() {
  state.data = await (await fetch('data.json')).json();
  document.title = `${state.data.title} - encoder preview`;
  byId('title').textContent = state.data.title;
  const named = encodeURIComponent(state.data.hls);
  if (!window.Hls || !window.Hls.isSupported()) {
    problem('This browser has no Media Source Extensions; it plays as it likes, at no rung of yours');
    video.src = `package/${named}`;
    listen();
    return;
  }
  // Scripts that a page makes itself are not allowed here: no worker.
  const hls = new window.Hls({ enableWorker: false, ...keys() });
  state.hls = hls;
  hls.on(window.Hls.Events.ERROR, (_, detail) => {
    if (detail.fatal) problem(`The player stopped: ${detail.details}`);
  });
  // Behind segments that are clear, hls.js has nothing to ask for ClearKey's keys with: the address
  // of such a key holds its identifier.
  hls.on(window.Hls.Events.KEY_LOADING, (_, { frag }) => {
    const key = frag.levelkeys && frag.levelkeys['org.w3.clearkey'];
    if (!key || key.pssh) return;
    const kid = key.uri.split(',')[1].replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
    key.scheme = 'keyids';
    key.pssh = new TextEncoder().encode(JSON.stringify({ kids: [kid] }));
  });
  hls.on(window.Hls.Events.MANIFEST_PARSED, () => {
    choose(hls.levels.length - 1);
  });
  hls.on(window.Hls.Events.LEVEL_SWITCHED, () => { drawRungs(); draw(); });
  hls.loadSource(`package/${named}`);
  hls.attachMedia(video);
  listen();
}

start().catch((error) => problem(`The page could not be made: ${error.message}`));
