// The page: what the service says of its model, what is entered, and what is predicted of it.

import { Columns, ImageFile, Numbers } from "./form.js";
import { clearResult, showResult } from "./result.js";

const $ = (id) => document.getElementById(id);
const WAIT = 150; // milliseconds until what is entered is sent, so that a word sends one request and not ten
const MOST_NUMBERS = 64; // columns without names that have a field each

let token = "";
let model = null;
let inputs = null;
let waiting = 0;
let running = null; // what ends the request that is on its way

begin();

function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname); // it is not to be seen over somebody's shoulder
  }
  token = sessionStorage.getItem("token") ?? "";
  $("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("token").value.trim();
    $("token").value = "";
    sessionStorage.setItem("token", token);
    load();
  });
  $("reset").addEventListener("click", () => {
    inputs.reset();
    predict();
  });
  $("of").addEventListener("change", predict);
  load();
}

function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(path, { ...options, headers });
}

async function load() {
  let answer;
  try {
    answer = await ask("model");
  } catch {
    showError("The service does not answer: start it again if it was ended, and reload this page.");
    return;
  }
  if (answer.status === 401) {
    askForToken(token ? "The token is not that of this service." : "");
    return;
  }
  model = await answer.json();
  showError("");
  $("login").hidden = true;
  document.querySelector("main").hidden = false;
  describe();
  predict();
}

function askForToken(words) {
  sessionStorage.removeItem("token");
  token = "";
  document.querySelector("main").hidden = true;
  $("login").hidden = false;
  showError(words);
  $("token").focus();
}

function describe() {
  document.title = `${model.title} – PySmorch`;
  $("title").textContent = model.title;
  const what = model.target ? `Predicts ${model.target}` : "A model";
  $("about").textContent = `${what}, by ${model.task}.`;
  const form = $("form");
  form.replaceChildren();
  if (model.input === "images") inputs = new ImageFile(form, model.image, predict, showError);
  else if (model.input === "numbers" && model.columns.length > MOST_NUMBERS) inputs = new Numbers(form, model.columns, changed);
  else inputs = new Columns(form, model.columns, changed, model.input === "numbers");
  form.addEventListener("submit", (event) => event.preventDefault());
  $("reset").hidden = model.input === "images";
  const several = model.outputs.length > 1;
  $("of-box").hidden = !several;
  const first = model.task === "classification" ? [new Option("what is predicted", "")] : [];
  $("of").replaceChildren(...first, ...model.outputs.map((name) => new Option(name, name)));
}

function changed() {
  clearTimeout(waiting);
  waiting = setTimeout(predict, WAIT);
}

async function predict() {
  clearTimeout(waiting);
  running?.abort();
  const request = inputs.request();
  if (!request) {
    $("summary").textContent = "Choose an image; its prediction is shown here.";
    clearResult();
    return;
  }
  const mine = (running = new AbortController());
  const query = model.explains ? `?explain=true${$("of").value ? `&of=${encodeURIComponent($("of").value)}` : ""}` : "";
  showCommand(query, request);
  let answer, content;
  try {
    answer = await ask(`predict${query}`, { method: "POST", body: request.body, headers: { "Content-Type": request.type }, signal: mine.signal });
    content = await answer.json();
  } catch {
    if (!mine.signal.aborted) showError("The service does not answer: start it again if it was ended, and reload this page.");
    return;
  }
  if (mine.signal.aborted) return;
  if (answer.status === 401) askForToken("The token is not that of this service.");
  else if (answer.ok) {
    showError("");
    inputs.mark([], content.remarks ?? []);
    $("summary").textContent = showResult(model, content.predictions[0]);
  } else {
    const named = inputs.mark(content.errors ?? [], []);
    showError(named ? "" : content.detail);
    $("summary").textContent = named ? "A value is wrong; see the form." : "No prediction.";
    clearResult();
  }
}

function showCommand(query, request) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const body = typeof request.body === "string" ? `-d ${quoted(request.body)}` : `--data-binary @${request.body.name ?? "image"}`;
  const lines = [`curl ${quoted(`${location.origin}${location.pathname}predict${query}`)}`, `-H 'Content-Type: ${request.type}'`];
  if (token) lines.push("-H \"Authorization: Bearer $TOKEN\"");
  $("command").textContent = [...lines, body].join(" \\\n  ");
}

function showError(words) {
  $("error").textContent = words;
  $("error").hidden = !words;
}
