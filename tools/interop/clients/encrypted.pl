# usage: perl encrypted.pl PORT MODE [CA]: sends one message with Net::SMTP, which verifies.
use strict;
use warnings;
use IO::Socket::SSL;
use Net::SMTP;

my ($port, $mode, $ca) = @ARGV;
my @tls = (SSL_verify_mode => SSL_VERIFY_PEER, SSL_verifycn_name => "localhost");
push @tls, SSL_ca_file => $ca if $ca;
my @implicit = $mode eq "STARTTLS" ? () : (SSL => 1, @tls);
my $smtp = Net::SMTP->new("localhost", Port => $port, Hello => "client.example", Timeout => 30, @implicit)
  or die "no connection: $@";
if ($mode eq "STARTTLS") {
  $smtp->starttls(@tls) or die "STARTTLS: " . $smtp->message;
}
$smtp->mail("perl\@example.org") or die "MAIL: " . $smtp->message;
$smtp->to("two\@example.com") or die "RCPT: " . $smtp->message;
$smtp->data("Subject: x\r\n\r\nx\r\n") or die "DATA: " . $smtp->message;
$smtp->quit;
