// usage: node login.cjs PORT MECHANISM USER PASSWORD: sends one message with nodemailer.
const nodemailer = require("nodemailer");

const [port, method, user, pass] = process.argv.slice(2);
const auth = method === "XOAUTH2" ? { type: "OAuth2", user, accessToken: pass } : { user, pass };
const transport = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true, authMethod: method, auth,
});
transport
  .sendMail({ from: "node@example.org", to: "two@example.com", subject: method, text: "x" })
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
