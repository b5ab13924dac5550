// usage: node encrypted.cjs PORT MODE [CA]: sends one message with nodemailer, which verifies.
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, mode, ca] = process.argv.slice(2);
const secure = mode !== "STARTTLS";
const transport = nodemailer.createTransport({
  host: "localhost", port: Number(port), secure, requireTLS: !secure,
  tls: ca ? { ca: fs.readFileSync(ca) } : {},
});
transport
  .sendMail({ from: "node@example.org", to: "two@example.com", subject: mode, text: "x" })
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
