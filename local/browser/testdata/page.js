const the = (id) => document.getElementById(id);
const say = (text) => { the("status").textContent = text; };

the("name").oninput = () => setTimeout(() => { the("enter").disabled = !the("name").value; }, 200);
document.forms[0].onsubmit = (event) => {
  event.preventDefault();
  say(`Welcome, ${the("name").value}`);
};
the("mute").onchange = () => say(the("mute").checked ? "Muted" : "Loud");
the("moving").onclick = () => say("Caught");
the("under").onclick = () => say("Uncovered");
setTimeout(() => the("cover").remove(), 500);
the("leave").onclick = () => the("leave").remove();
addEventListener("pagehide", () => navigator.sendBeacon("/bye"));
addEventListener("keydown", (event) => { window.pressed = [...(window.pressed ?? []), event.key]; });
