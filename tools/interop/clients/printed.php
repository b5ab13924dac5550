<?php
// usage: php printed.php PORT: sends one message with PHPMailer; its lines are those that sinkctl cert prints.
use PHPMailer\PHPMailer\PHPMailer;

require '/usr/share/php/libphp-phpmailer/autoload.php';

$mail = new PHPMailer();
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) $argv[1];
LINES
$mail->setFrom('php@example.org');
$mail->addAddress('two@example.com');
$mail->Subject = 'x';
$mail->Body = 'x';
if (!$mail->send()) {
    fwrite(STDERR, $mail->ErrorInfo . "\n");
    exit(1);
}
