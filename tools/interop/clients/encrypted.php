<?php
// usage: php encrypted.php PORT MODE [CA]: sends one message with PHPMailer, which verifies.
require '/usr/share/php/libphp-phpmailer/autoload.php';

[, $port, $mode, $ca] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer();
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) $port;
$mail->SMTPSecure = $mode === 'STARTTLS' ? 'tls' : 'ssl';
if ($ca !== '') {
    $mail->SMTPOptions = ['ssl' => ['cafile' => $ca]];
}
$mail->setFrom('php@example.org');
$mail->addAddress('two@example.com');
$mail->Subject = $mode;
$mail->Body = 'x';
if (!$mail->send()) {
    fwrite(STDERR, $mail->ErrorInfo . "\n");
    exit(1);
}
