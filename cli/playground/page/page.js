/** The script of the page: shows the events that the server sends, and sends it the visitor's actions. */
const $ = (id) => document.getElementById(id);

/** An element with a class, attributes and children; texts are never parsed. */
function make(name, { class: className, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Sends an action to the server; a refusal is announced. */
async function act(name, parameters = {}) {
  try {
    const answer = await fetch(`/actions/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(parameters),
    });
    if (!answer.ok) announce(await answer.text());
  } catch {
    announce("The playground does not answer.");
  }
}

/** For a screen reader. */
function announce(text) {
  $("status").textContent = text;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clockInFull = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

function timeOf(date, format) {
  return make("time", { datetime: new Date(date).toISOString() }, format.format(date));
}

/** Appends, and scrolls the new element's beginning into view if the list is scrolled to its end. */
function append(list, element) {
  const below = list.scrollHeight - list.scrollTop - list.clientHeight;
  const isAtEnd = below < 80 + (list.lastElementChild?.offsetHeight ?? 0);
  list.append(element);
  if (isAtEnd) list.scrollTop = element.offsetTop - 12;
}

// The chat

const messages = new Map();
/** Telegram's kinds of entities as HTML elements. */
const tags = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "code" };

/** The text with its entities as elements, and the bot's commands as buttons. */
function formatted(text, entities, isMine) {
  const marks = entities.filter(({ type }) => tags[type]);
  const commands = isMine ? [] : [...text.matchAll(/(?<![\w/])\/(start|stop|status|help)(?!\w)/g)];
  const ends = commands.map(({ index, 0: word }) => ({ offset: index, length: word.length, say: word }));
  const all = [...marks, ...ends];
  const cuts = new Set([0, text.length, ...all.flatMap(({ offset, length }) => [offset, offset + length])]);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => {
    const start = sorted[index];
    const within = all.filter(({ offset, length }) => offset <= start && end <= offset + length);
    return within.reduce(
      (inner, { type, say }) =>
        say
          ? make("button", { type: "button", class: "say", "data-say": say }, inner)
          : make(tags[type], {}, inner),
      document.createTextNode(text.slice(start, end)),
    );
  });
}

function pictureOf(photo, text) {
  const alt = `Chart: ${text.split("\n")[0] || "a picture from the bot"}`;
  const image = make("img", { src: `/photos/${photo}`, alt });
  const button = make(
    "button",
    { type: "button", class: "zoom" },
    image,
    make("span", { class: "hidden" }, ", enlarge"),
  );
  button.addEventListener("click", () => {
    $("picture-image").src = image.src;
    $("picture-image").alt = alt;
    $("picture").showModal();
  });
  return button;
}

function showMessage({ id, from, text, entities, photo, date }) {
  const isMine = from === "you";
  const element = make("article", { class: `message${isMine ? " mine" : ""}${photo ? " picture" : ""}` });
  element.append(make("span", { class: "hidden" }, isMine ? "You:" : "Bot:"));
  if (photo) element.append(pictureOf(photo, text));
  if (text) element.append(make("p", {}, ...formatted(text, entities, isMine)));
  element.append(timeOf(date, clock));
  $("welcome").hidden = true;
  if (messages.has(id)) messages.get(id).replaceWith(element);
  else append($("chat"), element);
  messages.set(id, element);
}

const say = (text) => act("say", { text });

document.addEventListener("click", ({ target }) => {
  const text = target.closest("[data-say]")?.dataset.say;
  if (text) say(text);
});

$("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  $("text").value = "";
  if (text) say(text);
});

// The table

/** By chat_id: the item as DynamoDB holds it. */
const items = new Map();
let state = { visitorId: 0 };
let chosen;
let form = "plain";
const rowsShown = 40;

/** An attribute's value in plain JSON, without DynamoDB's types. */
function plain(value) {
  const [[type, inner]] = Object.entries(value);
  if (type === "N") return Number(inner);
  if (type === "NULL") return null;
  if (type === "M") return Object.fromEntries(Object.entries(inner).map(([key, each]) => [key, plain(each)]));
  return type === "L" ? inner.map(plain) : inner;
}

const shown = (value) =>
  JSON.stringify(form === "plain" ? plain(value) : value, null, 1).replace(/\s+/g, " ");

const order = [
  "chat_id",
  "is_active",
  "removed_reason",
  "removed_at",
  "message_count",
  "last_active",
  "added_at",
];
const rank = (name) => (order.indexOf(name) + order.length + 1) % (order.length + 1);

function changedNames(before, after) {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after)]);
  return new Set([...names].filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after[name])));
}

function showItem(changed = new Set()) {
  const id = chosen ?? state.visitorId;
  const item = items.get(id);
  const isMine = id === state.visitorId;
  $("item-title").textContent = isMine ? "Your item" : `Item of chat ${id}`;
  $("item-none").hidden = item !== undefined;
  const names = Object.keys(item ?? {}).sort((a, b) => rank(a) - rank(b));
  $("item").replaceChildren(...names.flatMap((name) => [
    make("dt", {}, name),
    make("dd", changed.has(name) ? { class: "changed" } : {}, shown(item[name])),
  ]));
}

function rowOf(id, changed) {
  const item = items.get(id);
  const value = (name) => item[name] === undefined ? "" : String(plain(item[name]) ?? "");
  const cell = (name, text, more = "") =>
    make("td", { class: `${more}${changed.has(name) ? " changed" : ""}` }, text);
  const button = make("button", { type: "button", "data-item": id }, String(id));
  const { first_name, last_name } = item.user_info?.M ?? {};
  return make(
    "tr",
    { "data-row": id },
    make("td", {}, button),
    cell("user_info", [first_name?.S, last_name?.S].filter(Boolean).join(" "), "wide"),
    cell("is_active", value("is_active")),
    cell("message_count", value("message_count"), "number"),
    cell("removed_reason", value("removed_reason")),
  );
}

/** Moves changed rows to the top; the others are not touched, so that their highlights go on. */
function showRows(changes) {
  const focused = document.activeElement?.dataset?.item;
  const rows = $("rows");
  const places = new Map([...rows.children].map((row) => [Number(row.dataset.row), row]));
  for (const id of changes.keys()) places.get(id)?.remove();
  rows.prepend(...[...changes].slice(0, rowsShown).map(([id, names]) => rowOf(id, names)));
  while (rows.children.length > rowsShown) rows.lastElementChild.remove();
  if (focused) document.querySelector(`[data-item="${focused}"]`)?.focus({ preventScroll: true });
  markChosen();
  const active = [...items.values()].filter(({ is_active }) => is_active?.BOOL).length;
  $("table-count").textContent = `Live: ${items.size} items, ${active} of them active.`;
  const more = items.size - rows.children.length;
  $("more").textContent = more > 0 ? `${more} more; whatever changes comes to the top.` : "";
}

$("rows").addEventListener("animationend", ({ target }) => target.classList.remove("changed"));

function markChosen() {
  for (const row of $("rows").children) {
    row.classList.toggle("chosen", Number(row.dataset.row) === (chosen ?? state.visitorId));
  }
}

function updateItems(changedItems) {
  const isFirst = items.size === 0;
  const byId = changedItems.map((item) => [Number(item.chat_id.N), item]).sort(([a], [b]) => a - b);
  const changes = new Map();
  for (const [id, item] of byId) {
    const names = changedNames(items.get(id), item);
    if (names.size > 0) changes.set(id, isFirst ? new Set() : names);
    items.set(id, item);
  }
  showRows(changes);
  const ofChosen = changes.get(chosen ?? state.visitorId);
  if (ofChosen) showItem(ofChosen);
  showSubscribers();
}

$("rows").addEventListener("click", ({ target }) => {
  const id = target.closest("[data-item]")?.dataset.item;
  if (!id) return;
  chosen = Number(id);
  showItem();
  markChosen();
});

for (const input of document.getElementsByName("form")) {
  input.addEventListener("change", () => {
    form = input.value;
    showItem();
  });
}

// The subscribers and their signal

function showSubscribers() {
  const ids = [...items.keys()].filter((id) => id !== state.visitorId).sort((a, b) => a - b);
  const have = new Set(state.delivery?.chatIds);
  const dots = $("subscribers");
  while (dots.children.length < ids.length) dots.append(document.createElement("i"));
  ids.forEach((id, index) => {
    const isActive = items.get(id).is_active?.BOOL;
    const look = have.has(id) ? "has" : isActive ? "" : "gone";
    if (dots.children[index].className !== look) dots.children[index].className = look;
  });
  showSignalCount(ids);
}

function showSignalCount(ids) {
  const active = ids.filter((id) => items.get(id).is_active?.BOOL).length;
  const { delivery, duplicates = 0, isSending } = state;
  const others = `${active} others are subscribed.`;
  if (!delivery) return void ($("signal-count").textContent = others);
  const title = delivery.title.split(" · ")[0];
  const twice = duplicates === 0 ? "No chat got one twice." : `${duplicates} came twice.`;
  $("signal-count").replaceChildren(
    make("b", {}, `${title}: ${delivery.chatIds.length} have it${isSending ? " so far" : ""}.`),
    ` ${twice} ${others}`,
  );
}

$("send").addEventListener("click", () => act("signal"));

// The switches

for (const button of document.querySelectorAll("[role=switch]")) {
  button.addEventListener(
    "click",
    () => act(button.dataset.action, { on: button.getAttribute("aria-checked") !== "true" }),
  );
}
$("unblock").addEventListener("click", () => act("block", { on: false }));

function showService(id, text, isFailing) {
  const element = $(`service-${id}`);
  element.classList.toggle("failing", isFailing);
  element.querySelector("span").textContent = text;
}

const botStatuses = { starting: "starting", running: "running", killed: "killed", ended: "ended by itself" };

function showState(next) {
  const before = state;
  // Another playground has started on this port: what is shown belongs to the former one.
  if (before.startedAt && before.startedAt !== next.startedAt) return location.reload();
  state = { ...next, isKilled: next.bot === "killed" || next.bot === "disconnected" };
  const { bot, pid, botName, isBlocked, isDatabaseDown, isFlooded, isSending, waiting } = state;
  for (const button of document.querySelectorAll("[role=switch]")) {
    button.setAttribute("aria-checked", String(state[button.dataset.state]));
  }
  showService("bot", isSending ? "sending a signal" : botStatuses[bot], state.isKilled);
  $("service-bot").title = pid ? `Process ${pid}` : "";
  showService("database", isDatabaseDown ? "out of reach" : "in reach", isDatabaseDown);
  const updates = `${waiting} ${waiting === 1 ? "update waits" : "updates wait"}`;
  showService("telegram", isFlooded ? `limits the rate, ${updates}` : updates, isFlooded);
  $("bot-name").textContent = `@${botName}`;
  $("writing").hidden = isBlocked;
  $("blocked").hidden = !isBlocked;
  $("send").disabled = bot !== "running" || isSending;
  $("send").textContent = isSending ? "A signal is going out…" : "Send a signal now";
  showSubscribers();
  if (before.bot && before.bot !== bot) announce(`Bot: ${botStatuses[bot]}.`);
  if (before.isSending && !isSending && bot === "running") announce($("signal-count").textContent);
  if (before.visitorId !== state.visitorId) showItem();
}

// What the bot prints

let lastLine = 0;

function showLine({ id, text, by, date }) {
  if (id <= lastLine) return;
  lastLine = id;
  append($("log"), make("p", { class: by }, timeOf(date, clockInFull), make("span", {}, text)));
  while ($("log").children.length > 200) $("log").firstElementChild.remove();
}

// The server's events

const events = new EventSource("/events");
const listen = (topic, show) => events.addEventListener(topic, ({ data }) => show(JSON.parse(data)));
listen("state", showState);
listen("items", updateItems);
listen("message", showMessage);
listen("log", showLine);
events.addEventListener("open", () => $("disconnected").hidden = true);
events.addEventListener("error", () => $("disconnected").hidden = false);
