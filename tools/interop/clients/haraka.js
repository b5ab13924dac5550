// A plugin of Haraka: every recipient is accepted, and all mail goes to localhost.
exports.register = function () {
  this.register_hook("rcpt", "accept");
  this.register_hook("get_mx", "route");
};

exports.accept = function (next, connection) {
  connection.relaying = true;
  next(OK);
};

exports.route = function (next) {
  // As after a look-up of localhost: Haraka asks the DNS alone for addresses, which may not know it.
  const port = Number(process.env.SINK_PORT);
  next(OK, { priority: 0, exchange: "127.0.0.1", from_dns: "localhost", port });
};
