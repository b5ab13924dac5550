# usage: perl net_smtp.pl PORT FOLDER
# Sends each FOLDER/*.eml over one connection; prints what was sent, an object a line.
use strict;
use warnings;
use File::Basename;
use Net::SMTP;

my ($port, $folder) = @ARGV;
my $smtp = Net::SMTP->new("127.0.0.1", Port => $port, Hello => "client.example", Timeout => 30)
  or die "no connection: $@";
for my $path (glob("$folder/*.eml")) {
  open(my $file, "<:raw", $path) or die "$path: $!";
  local $/;
  my $octets = <$file>;
  my $name = basename($path, ".eml");
  $smtp->mail("perl\@example.org") or die "MAIL: " . $smtp->message;
  $smtp->to("one\@example.com", "$name\@example.com") or die "RCPT: " . $smtp->message;
  $smtp->data($octets) or die "DATA: " . $smtp->message;
  print qq({"name": "$name", "from": "perl\@example.org", "to": ["one\@example.com", "$name\@example.com"]}\n);
}
$smtp->quit;
