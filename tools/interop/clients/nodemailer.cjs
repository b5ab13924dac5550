// usage: node nodemailer.cjs PORT FOLDER single|pool
// Sends each FOLDER/*.eml as it is, over and over; prints what was sent, an object a line.
const fs = require("fs");
const path = require("path");
const nodemailer = require("nodemailer");

const [port, folder, mode] = process.argv.slice(2);
const pool = mode === "pool";
const transport = nodemailer.createTransport({ host: "127.0.0.1", port: Number(port), pool });
const names = fs.readdirSync(folder).filter((name) => name.endsWith(".eml"));

async function send(name, round) {
  const envelope = { from: `node${round}@example.org`, to: ["one@example.com", "two@example.com"] };
  await transport.sendMail({ envelope, raw: fs.readFileSync(path.join(folder, name)) });
  console.log(JSON.stringify({ name: name.slice(0, -4), ...envelope }));
}

async function main() {
  const all = [];
  // More than the 100 messages after which a pooled connection is given up.
  for (let round = 0; round < (pool ? 100 : 5); round++) {
    for (const name of names) {
      if (round < 3 || name !== "large.eml") all.push(send(name, round));
    }
  }
  await Promise.all(all);
  transport.close();
}

main().catch((problem) => {
  console.error(problem);
  process.exit(1);
});
