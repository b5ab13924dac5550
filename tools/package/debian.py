def package_has_the_same_files(programs, folder):
    return "todo"
