// usage: node printed.cjs PORT: sends one message with nodemailer; its lines are those that sinkctl cert prints.
const fs = require("fs");
const nodemailer = require("nodemailer");

const transport = nodemailer.createTransport({
  host: "localhost", port: Number(process.argv[2]),
  LINES
});
transport
  .sendMail({ from: "node@example.org", to: "two@example.com", subject: "x", text: "x" })
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
