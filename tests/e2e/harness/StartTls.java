/* A client for tests: StartTls HOST PORT SOURCE PROTOCOLS: sends a message by SMTP with STARTTLS. */
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class StartTls {
    private static final class Trusting implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String type) { }
        public void checkServerTrusted(X509Certificate[] chain, String type) { }
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    private static void expect(BufferedReader in, String code) throws IOException {
        String line;
        do {
            line = in.readLine();
            if (line == null || !line.startsWith(code))
                throw new IOException("not " + code + ": " + line);
        } while (line.startsWith("-", 3));
    }

    private static BufferedReader reader(Socket socket) throws IOException {
        return new BufferedReader(
            new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
    }

    private static void say(Socket socket, BufferedReader in, String line, String code)
        throws IOException {
        socket.getOutputStream().write((line + "\r\n").getBytes(StandardCharsets.ISO_8859_1));
        expect(in, code);
    }

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]);
        Socket plain = new Socket();
        plain.bind(new InetSocketAddress(arguments[2], 0));
        plain.connect(new InetSocketAddress(arguments[0], port));
        BufferedReader in = reader(plain);
        expect(in, "220");
        say(plain, in, "EHLO java.example", "250");
        say(plain, in, "STARTTLS", "220");
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Trusting()}, null);
        SSLSocket socket =
            (SSLSocket) context.getSocketFactory().createSocket(plain, arguments[0], port, true);
        socket.setEnabledProtocols(arguments[3].split(","));
        socket.startHandshake();
        in = reader(socket);
        say(socket, in, "EHLO java.example", "250");
        say(socket, in, "MAIL FROM:<a@java.example>", "250");
        say(socket, in, "RCPT TO:<someone@gatepost.test>", "250");
        say(socket, in, "DATA", "354");
        say(socket, in, "Subject: x\r\n\r\nsome text\r\n.", "250");
        say(socket, in, "QUIT", "221");
        socket.close();
    }
}
