<?php
// usage: php login.php PORT MECHANISM USER PASSWORD: sends one message with PHPMailer.
require '/usr/share/php/libphp-phpmailer/autoload.php';

[, $port, $method, $user, $password] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer();
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->Port = (int) $port;
$mail->SMTPAutoTLS = false;
$mail->SMTPAuth = true;
$mail->AuthType = $method;
$mail->Username = $user;
$mail->Password = $password;
$mail->setFrom('php@example.org');
$mail->addAddress('two@example.com');
$mail->Subject = $method;
$mail->Body = 'x';
if (!$mail->send()) {
    fwrite(STDERR, $mail->ErrorInfo . "\n");
    exit(1);
}
