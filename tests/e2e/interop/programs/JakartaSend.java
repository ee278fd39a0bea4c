// JakartaSend CERTIFICATE LIST: delivers the messages of the list with Jakarta Mail.

import jakarta.mail.Session;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class JakartaSend {
    static SSLContext context(String certificate) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(Path.of(certificate))) {
            store.setCertificateEntry("it", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory factory =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }

    static Properties properties(SSLContext context, String[] job) {
        Properties properties = new Properties();
        properties.put("mail.transport.protocol", "smtp");
        properties.put("mail.smtp.host", job[0]);
        properties.put("mail.smtp.port", job[1]);
        if (!job[2].equals("-"))
            properties.put("mail.smtp.localaddress", job[2]);
        properties.put("mail.smtp.from", job[3]);
        properties.put("mail.smtp.localhost", "java.client.example");
        properties.put("mail.smtp.starttls.enable", "true");
        properties.put("mail.smtp.starttls.required", "true");
        properties.put("mail.smtp.ssl.socketFactory", context.getSocketFactory());
        properties.put("mail.smtp.allow8bitmime", "true");
        properties.put("mail.smtp.chunksize", "100");
        properties.put("mail.mime.allowutf8", String.valueOf(job[6].contains("utf8")));
        return properties;
    }

    public static void main(String[] arguments) throws Exception {
        SSLContext context = context(arguments[0]);
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            String[] job = line.split("\t");
            Session session = Session.getInstance(properties(context, job));
            try (InputStream in = Files.newInputStream(Path.of(job[5]));
                 var transport = session.getTransport()) {
                transport.connect();
                transport.sendMessage(
                    new MimeMessage(session, in), new InternetAddress[] {new InternetAddress(job[4])});
            }
        }
    }
}
