<?php
// usage: php phpmailer.php PORT FOLDER
// Composes and sends; prints what was sent, an object a line, with the octets as PHPMailer has them.
require "/usr/share/php/libphp-phpmailer/autoload.php";

use PHPMailer\PHPMailer\PHPMailer;

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = "127.0.0.1";
$mail->Port = (int) $argv[1];
$mail->SMTPAutoTLS = false;
$mail->SMTPKeepAlive = true;
$mail->CharSet = "utf-8";
for ($n = 0; $n < 50; $n++) {
    $mail->clearAllRecipients();
    $mail->setFrom("php$n@example.org", "Sender");
    $mail->Sender = "php$n@example.org";
    $mail->addAddress("one$n@example.com");
    $mail->addCC("two$n@example.com");
    $mail->Subject = "Gr\u{fc}\u{df}e $n";
    $mail->Body = "<p>line\n.dot\n..\n</p>" . str_repeat("x y z\n", 100 * $n);
    $mail->AltBody = "line\n.dot\n..\n";
    $mail->send();
    echo json_encode([
        "from" => "php$n@example.org",
        "to" => ["one$n@example.com", "two$n@example.com"],
        // It ends the last line once more when it sends.
        "octets" => $mail->getSentMIMEMessage() . "\r\n",
    ]), "\n";
}
$mail->smtpClose();
