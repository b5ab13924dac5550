// usage: java printed.java PORT FILE: sends one message with Jakarta Mail; FILE holds the properties that sinkctl cert prints.
import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.FileReader;
import java.util.Properties;

class Printed {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (FileReader lines = new FileReader(args[1])) {
            properties.load(lines);
        }
        properties.put("mail.smtp.host", "localhost");
        properties.put("mail.smtp.port", args[0]);
        MimeMessage message = new MimeMessage(Session.getInstance(properties));
        message.setFrom("java@example.org");
        message.setRecipient(Message.RecipientType.TO, new InternetAddress("two@example.com"));
        message.setSubject("x");
        message.setText("x");
        Transport.send(message);
    }
}
